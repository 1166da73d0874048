"""The toy world's pre-trained networks: BigGAN, U2-Net and readers."""
