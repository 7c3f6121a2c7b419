"""What an import reads besides single images: where files come from, and what is marked on them.

`sources` opens a folder, a zip file or a DICOMDIR and says what each file is. `marks` is what all
label formats become (`masks`, `coco`, `voc`, `tables` read them); `nifti` and `slides` make DICOM
of volumes and tiles; `giving_back` writes a version's labels in the formats that came in. The
story that uses them all is `dicom_archive.ingest`.
"""
