"""Where the product is known to answer otherwise than its users expect: name of the case, and what is wrong.

Rule: an entry says what is wrong with the product; the expectation of the case stays as it is. What no longer deviates is taken out.
"""

KNOWN = {
    # Now and then only: it takes a change of policy between the entry in the ledger and the sending.
    "ledger: readers at once with changes, nothing more is entered than was received":
        "a page that is entered and then decided anew because the policy moved stays in the ledger as sent",
}
