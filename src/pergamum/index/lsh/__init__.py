"""Approximate search by locality-sensitive hashing: several tables of buckets, the likeliest buckets first."""
