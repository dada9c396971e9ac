"""Speech codec and units: quantisers, models, token files. (In the works: nothing here is part of this release.)"""
