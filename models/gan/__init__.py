"""The conditional GAN over cells: networks, losses, training, sampling under conditions (DESIGN.md section 4)."""
