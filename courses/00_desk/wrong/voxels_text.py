# says: should be a number
voxels = "512 * 512 * 300"
