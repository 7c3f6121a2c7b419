# says: counts all pictures
def price(images, share, rate):
    return images * rate
