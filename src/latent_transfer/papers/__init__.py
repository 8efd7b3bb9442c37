"""Tables of papers, measured again: ``latent-transfer reproduce``."""
