"""In which order do writes happen?"""
