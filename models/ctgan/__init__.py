"""The classic conditional GAN (`model: ctgan`): one pass from noise and a condition, trained against a critic."""
