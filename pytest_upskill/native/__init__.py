"""Native code: the driver that does a call, and the devices on which kernels run. Knows no cases and no students."""
