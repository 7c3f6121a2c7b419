# says: Compare with `kept` only
from course_kit import metrics


def thin(boxes, scores, limit):
    def free(number):
        return all(
            scores[other] < scores[number] or metrics.box_iou(boxes[number], boxes[other]) <= 0.01
            for other in range(len(boxes))
            if other != number
        )

    return sorted((n for n in range(len(boxes)) if free(n)), key=lambda n: -scores[n])
