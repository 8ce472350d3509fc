"""Typed fields of documents and chunks in columns, and filters over them. Loads polars: imported when first needed."""
