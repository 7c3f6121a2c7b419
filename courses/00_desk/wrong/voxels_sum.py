# says: three edges laid end to end
voxels = 512 + 512 + 300
