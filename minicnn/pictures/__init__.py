"""Pictures of one's own, prepared as the network's training images were."""
