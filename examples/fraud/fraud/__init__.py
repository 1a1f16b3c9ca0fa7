"""Card-transaction fraud: a seeded generator of transactions, and a small network trained on them."""
