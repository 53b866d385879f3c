"""Task models made of an app's own calls: found in its logs, trained, and given a threshold that keeps a promise.

What answers a call with one is `greenai.answerers.distilled`; this package makes it.
"""
