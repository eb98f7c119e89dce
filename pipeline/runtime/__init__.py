"""The machine a stage runs on: device, threads, memory, and how its kernels are launched."""
