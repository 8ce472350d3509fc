"""A detector for detect-secrets: keys of embedding providers, which are long words without a prefix of their own."""

import re
from collections.abc import Generator

from detect_secrets.plugins.base import RegexBasedDetector


class ProviderKeyDetector(RegexBasedDetector):
    """Finds a word of 40 letters and digits (Cohere's form) that mixes both cases and digits, quoted or not."""

    secret_type = "Provider key"  # pragma: allowlist secret (the name of a kind of finding)
    denylist = (re.compile(r"(?<![A-Za-z0-9+/=_-])([A-Za-z0-9]{40})(?![A-Za-z0-9+/=_-])"),)

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        """Yield the words that no ordinary identifier or hash looks like."""
        for word in super().analyze_string(string):
            if re.search("[a-z]", word) and re.search("[A-Z]", word) and len(re.findall("[0-9]", word)) > 2:
                yield word
