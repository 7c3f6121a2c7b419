# says: one layer of the box
voxels = 512 * 512
