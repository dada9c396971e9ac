"""Books: text, Markdown or EPUB to chapters, spoken one by one and joined into one file with chapter marks.

    file ──text, epub──▶ Book of chapters ──make──▶ a FLAC and an SRT file each ──join──▶ .opus or .m4b with chapters
"""
