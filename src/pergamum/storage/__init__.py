"""Where does it lie on disk, and what survives a crash?"""
