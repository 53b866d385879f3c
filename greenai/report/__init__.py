"""What people look at: what a ledger adds up to, the story of one call, and what is left of a budget.

`aggregate` reads and adds, `page` writes HTML, `charts` draws, `terminal` writes tables; none of them writes a ledger.
"""
