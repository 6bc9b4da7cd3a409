"""The mathematics, with numpy and nothing else: layers, losses, network, optimisers, schedules."""
