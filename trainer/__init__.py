"""Training of label-mask multi-label text classifiers on label spaces of any size."""
