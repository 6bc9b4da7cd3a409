"""Gradient code as people write it, right and wrong, idiom by idiom.

Each file is one idiom; `manifest` says of each piece in it what the checker must say.
"""
