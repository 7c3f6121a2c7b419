# says: In D look at the heart
culprit = {"A": "PixelSpacing", "B": "RescaleIntercept", "C": "Columns"}
culprit |= {"D": "SOPInstanceUID", "E": "PhotometricInterpretation"}
culprit |= {"F": "ImageOrientationPatient"}
