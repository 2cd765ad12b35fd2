import struct
import zlib

from gosynq_server.demo import work


def test_a_png_is_one_that_can_be_read_back() -> None:
    rows = work.draw(5, 3)
    png = work.encode_png(rows)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, position = {}, 8
    while position < len(png):
        length, name = struct.unpack_from(">I4s", png, position)
        data = png[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", png, position + 8 + length) == (zlib.crc32(name + data),)
        chunks[name] = data
        position += 12 + length
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (5, 3, 8, 2, 0, 0, 0)
    assert zlib.decompress(chunks[b"IDAT"]) == b"".join(b"\x00" + row for row in rows)


def test_shrinking_averages_squares() -> None:
    dark, bright = bytes([0, 10, 100]), bytes([100, 20, 200])
    assert work.shrink([dark + bright, bright + dark], 2) == [bytes([50, 15, 150])]


def test_what_is_left_over_at_the_edges_is_dropped() -> None:
    assert [len(row) for row in work.shrink(work.draw(7, 5), 2)] == [9, 9]


def test_an_empty_file_has_figures_too() -> None:
    assert work.measure_lines(b"") == {"lines": 1, "longest": 0, "mean": 0.0}
    assert work.count_words(b"") == {"lines": 0, "words": 0, "most_common": []}
