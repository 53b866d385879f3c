"""Rate a model's energy by the public method, on prompts of our own, and keep a record that others can check.

`prompts` makes the work, `target` asks a model for it, `run` measures and repeats, `estimate` says what the repeats are
worth. A `record` is what is kept and signed (`signing`); `scale` grades it; `merge` joins those of several people;
`badge` and `board` draw them.
"""

from __future__ import annotations
