"""Leaf through a DICOM header: all elements, a search field, and the bytes of the one chosen.

`TagBrowser(header)` takes a pydicom Dataset. Everything is the browser's work once it is shown, so
it can be used while the kernel is busy. Elements of sequences are indented below them. Where no
widget is shown, the first elements stand there as a table.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anywidget
import traitlets
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import UID

from course_kit.texts import spoken

SHOWN_BYTES, SHOWN_LETTERS, STILL = 48, 120, 14
TEXTS = {
    "search": {"en": "Search: spacing, patient, 0028 …", "zh_CN": "搜索：spacing、patient、0028……"},
    "none": {"en": "No label has these words.", "zh_CN": "没有标签含有这些字。"},
    "choose": {"en": "Click on a label.", "zh_CN": "点击一个标签。"},
    "bytes": {"en": "Its bytes in the file", "zh_CN": "它在文件中的字节"},
    "count": {"en": "{} labels", "zh_CN": "{} 个标签"},
    "tag": {"en": "tag", "zh_CN": "标签号"},
    "kind": {"en": "kind of value", "zh_CN": "值的类型"},
    "value": {"en": "value", "zh_CN": "值"},
    "length": {"en": "length", "zh_CN": "长度"},
    "more": {"en": "and {} more", "zh_CN": "还有 {} 个"},
}
KINDS = {
    "AS": {"en": "an age", "zh_CN": "年龄"},
    "CS": {"en": "a word from a fixed list", "zh_CN": "固定词表中的词"},
    "DA": {"en": "a date", "zh_CN": "日期"},
    "DS": {"en": "a decimal number, written as text", "zh_CN": "写成文字的小数"},
    "DT": {"en": "date and time", "zh_CN": "日期和时间"},
    "IS": {"en": "a whole number, written as text", "zh_CN": "写成文字的整数"},
    "LO": {"en": "a line of text", "zh_CN": "一行文字"},
    "LT": {"en": "a longer text", "zh_CN": "较长的文字"},
    "OB": {"en": "bytes", "zh_CN": "字节"},
    "OW": {"en": "numbers of two bytes each", "zh_CN": "每个两字节的数"},
    "PN": {"en": "the name of a person", "zh_CN": "人名"},
    "SH": {"en": "a short text", "zh_CN": "短文字"},
    "SQ": {"en": "a list of further labels", "zh_CN": "更多标签的列表"},
    "ST": {"en": "a text", "zh_CN": "文字"},
    "TM": {"en": "a time of day", "zh_CN": "时刻"},
    "UI": {"en": "a number that is unique in the world (UID)", "zh_CN": "全世界唯一的编号（UID）"},
    "US": {"en": "a whole number of two bytes", "zh_CN": "两字节的整数"},
}
MEANINGS = {
    "Modality": {"en": "What kind of machine it was.", "zh_CN": "是哪种设备。"},
    "SOPClassUID": {"en": "What kind of thing this file is.", "zh_CN": "这个文件是哪一类对象。"},
    "SOPInstanceUID": {
        "en": "The number by which an archive knows this slice. No other may have it.",
        "zh_CN": "档案库凭它认出这一张，别的图像不能与它相同。",
    },
    "SeriesInstanceUID": {
        "en": "All slices of one series share it.",
        "zh_CN": "同一序列的所有图像共用。",
    },
    "StudyInstanceUID": {
        "en": "All series of one examination share it.",
        "zh_CN": "同一次检查的所有序列共用。",
    },
    "PatientName": {
        "en": "Whose it is. Must be gone before anyone outside may see the file.",
        "zh_CN": "是谁的检查。给外人看之前必须去掉。",
    },
    "PatientID": {
        "en": "The number of the patient in this hospital.",
        "zh_CN": "病人在本院的编号。",
    },
    "KVP": {"en": "The voltage of the X-ray tube, in kilovolt.", "zh_CN": "球管电压，千伏。"},
    "SliceThickness": {"en": "How thick the slice is, in mm.", "zh_CN": "层厚，毫米。"},
    "ConvolutionKernel": {
        "en": "How sharp, and so how noisy, it was reconstructed.",
        "zh_CN": "重建核：越锐利，噪声越大。",
    },
    "ImagePositionPatient": {
        "en": "Where the first pixel lies: x to the left, y to the back, z to the head, in mm.",
        "zh_CN": "第一个像素的位置：x 向左，y 向后，z 向头，毫米。",
    },
    "ImageOrientationPatient": {
        "en": "The direction in which rows run, then that in which columns run.",
        "zh_CN": "先是行的走向，再是列的走向。",
    },
    "FrameOfReferenceUID": {
        "en": "Images that share it share their millimetres: they can be laid over each other.",
        "zh_CN": "共用它的图像共用同一套毫米坐标，可以互相叠加。",
    },
    "PhotometricInterpretation": {
        "en": "MONOCHROME2: small is black. MONOCHROME1: small is white.",
        "zh_CN": "MONOCHROME2：小为黑。MONOCHROME1：小为白。",
    },
    "Rows": {"en": "The height of the table of pixels.", "zh_CN": "像素表的高度。"},
    "Columns": {"en": "The width of the table of pixels.", "zh_CN": "像素表的宽度。"},
    "PixelSpacing": {
        "en": "mm from row to row, then mm from column to column.",
        "zh_CN": "先是行距，再是列距，毫米。",
    },
    "BitsAllocated": {"en": "How many bits each number takes.", "zh_CN": "每个数占多少位。"},
    "BitsStored": {"en": "How many of these bits are used.", "zh_CN": "其中实际使用的位数。"},
    "PixelRepresentation": {
        "en": "0: no minus sign. 1: the first bit is a minus sign.",
        "zh_CN": "0：无负号。1：第一位是负号。",
    },
    "WindowCenter": {"en": "The level that is proposed.", "zh_CN": "建议的窗位。"},
    "WindowWidth": {"en": "The width of window that is proposed.", "zh_CN": "建议的窗宽。"},
    "RescaleIntercept": {
        "en": "Which HU the stored number 0 means.",
        "zh_CN": "存储值 0 代表的 HU。",
    },
    "RescaleSlope": {"en": "How many HU one step means.", "zh_CN": "存储值每一级代表多少 HU。"},
    "PixelData": {
        "en": "The picture itself: all else is labels.",
        "zh_CN": "图像本身，其余都是标签。",
    },
}


class TagBrowser(anywidget.AnyWidget):  # type: ignore[misc]
    """All elements of a header; `chosen` is the place of the one that was clicked."""

    _esm = Path(__file__).with_suffix(".js")
    rows: Any = traitlets.List().tag(sync=True)
    chosen: Any = traitlets.Int(-1).tag(sync=True)
    words: Any = traitlets.Dict().tag(sync=True)

    def __init__(self, header: Dataset) -> None:
        if not isinstance(header, Dataset):
            raise ValueError(
                f"a DICOM header is wanted, as pydicom.dcmread gives it; given: {type(header).__name__}"
            )
        rows = list(_rows(header))
        names = [row["name"] for row in rows]
        start = next((i for i, n in enumerate(names) if n == "Pixel Spacing"), 0)
        words = {key: spoken(text) for key, text in TEXTS.items()}
        super().__init__(rows=rows, words=words, chosen=start if rows else -1)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = self._table()
        return bundle

    def _table(self) -> str:
        lines = [
            "<tr>"
            + "".join(f"<td>{html.escape(row[key])}</td>" for key in ("tag", "name", "value"))
            for row in self.rows[:STILL]
        ]
        left = len(self.rows) - STILL
        more = f"<p>{spoken(TEXTS['more']).format(left)}</p>" if left > 0 else ""
        return f'<table style="font-size:13px">{"".join(lines)}</table>{more}'


def _rows(header: Dataset, level: int = 0) -> Iterator[dict[str, Any]]:
    for element in header:
        yield _row(element, level)
        if element.VR == "SQ":
            for item in element.value:
                yield from _rows(item, level + 1)


def _row(element: DataElement, level: int) -> dict[str, Any]:
    data = _written(element)
    kind = KINDS.get(str(element.VR))
    meaning = MEANINGS.get(str(element.keyword))
    return {
        "tag": f"{element.tag.group:04X},{element.tag.element:04X}",
        "name": str(element.name),
        "keyword": str(element.keyword),
        "vr": str(element.VR),
        "kind": spoken(kind) if kind else "",
        "value": _value(element),
        "says": spoken(meaning) if meaning else "",
        "level": level,
        "length": len(data),
        "bytes": list(data[:SHOWN_BYTES]),
    }


def _value(element: DataElement) -> str:
    if element.VR == "SQ":
        return f"[{len(element.value)}]"
    if isinstance(element.value, bytes):
        return f"{len(element.value):,} bytes"
    value = element.value
    text = value.name if isinstance(value, UID) else str(value)
    return text if len(text) <= SHOWN_LETTERS else text[:SHOWN_LETTERS] + " …"


def _written(element: DataElement) -> bytes:
    """The element as a file in Explicit VR Little Endian has it (PS3.5 7.1.2).

    Nothing for a value that breaks the rules of its VR: it can be read, yet not written again.
    """
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    try:
        write_data_element(file, element, ["utf-8"])
    except (ValueError, TypeError, AttributeError, OverflowError, OSError):
        return b""
    return bytes(file.getvalue())
