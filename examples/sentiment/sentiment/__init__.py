"""The sentiment of tweets: real labels, and a pretrained encoder with a linear head trained on them."""
