"""Trees of languages: from the distances of masks to a tree, its fit and its picture.

Read as data flows: distances → topology → reconstruction → families, pictures
→ results.
"""
