"""``python -m latent_transfer`` does what the command ``latent-transfer`` does."""

from latent_transfer.cli import main

if __name__ == "__main__":
    main()
