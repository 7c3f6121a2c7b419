# says: pictures with a finding
def price(images, share, rate):
    return images * share * rate
