"""RadLab's hub: who may start what, where and for how long."""
