"""Search of training options: trials on rows held out inside the training part. Optuna is imported when it begins."""
