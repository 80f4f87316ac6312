/* png_files.h - written by make_png.py; do not edit. */
static const unsigned char file_grey1[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 2,
    1, 0, 0, 0, 0, 181, 15, 91, 183, 0, 0, 0, 12, 73, 68, 65, 84, 120, 156, 99, 88, 192, 224, 0,
    0, 2, 36, 0, 225, 115, 235, 59, 242, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_grey1[] = {
    255, 0, 255, 0, 255, 0,
};
static const unsigned char file_grey2[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 2,
    2, 0, 0, 0, 0, 242, 175, 33, 103, 0, 0, 0, 12, 73, 68, 65, 84, 120, 156, 99, 144, 102, 120, 2,
    0, 1, 57, 1, 0, 69, 100, 145, 155, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_grey2[] = {
    0, 85, 170, 255, 170, 85,
};
static const unsigned char file_grey4[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 2,
    4, 0, 0, 0, 0, 125, 239, 212, 199, 0, 0, 0, 14, 73, 68, 65, 84, 120, 156, 99, 224, 23, 96, 168,
    248, 0, 0, 2, 113, 1, 136, 18, 90, 234, 214, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_grey4[] = {
    0, 255, 17, 119, 136, 255,
};
static const unsigned char file_grey8[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 2,
    8, 0, 0, 0, 0, 184, 31, 57, 198, 0, 0, 0, 16, 73, 68, 65, 84, 120, 156, 99, 96, 96, 100, 98,
    248, 223, 80, 15, 0, 4, 148, 2, 2, 131, 134, 55, 242, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96,
    130,
};
static const unsigned char shown_grey8[] = {
    0, 1, 2, 255, 128, 127,
};
static const unsigned char file_grey8_gamma[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 2,
    8, 0, 0, 0, 0, 184, 31, 57, 198, 0, 0, 0, 4, 103, 65, 77, 65, 0, 1, 134, 160, 49, 232, 150,
    95, 0, 0, 0, 16, 73, 68, 65, 84, 120, 156, 99, 96, 96, 100, 98, 248, 223, 80, 15, 0, 4, 148, 2,
    2, 131, 134, 55, 242, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_grey8_gamma[] = {
    0, 1, 2, 255, 128, 127,
};
static const unsigned char file_grey16[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 2,
    16, 0, 0, 0, 0, 232, 143, 229, 133, 0, 0, 0, 22, 73, 68, 65, 84, 120, 156, 99, 96, 96, 96, 100,
    100, 98, 98, 248, 255, 191, 161, 161, 190, 30, 0, 16, 55, 4, 3, 8, 38, 205, 77, 0, 0, 0, 0, 73,
    69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_grey16[] = {
    0, 1, 2, 255, 128, 127,
};
static const unsigned char file_grey_alpha[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1,
    8, 4, 0, 0, 0, 94, 43, 183, 1, 0, 0, 0, 13, 73, 68, 65, 84, 120, 156, 99, 56, 241, 63, 133,
    1, 0, 6, 234, 2, 44, 52, 37, 152, 72, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_grey_alpha[] = {
    200, 0,
};
static const unsigned char file_rgb8[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1,
    8, 2, 0, 0, 0, 123, 64, 232, 221, 0, 0, 0, 15, 73, 68, 65, 84, 120, 156, 99, 96, 100, 98, 102,
    97, 101, 3, 0, 0, 63, 0, 22, 33, 186, 212, 84, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_rgb8[] = {
    1, 2, 3, 4, 5, 6,
};
static const unsigned char file_rgb16[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1,
    16, 2, 0, 0, 0, 192, 231, 143, 157, 0, 0, 0, 15, 73, 68, 65, 84, 120, 156, 99, 96, 100, 100, 98,
    250, 255, 31, 0, 3, 29, 2, 5, 163, 250, 168, 22, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_rgb16[] = {
    1, 2, 255,
};
static const unsigned char file_rgba[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1,
    8, 6, 0, 0, 0, 244, 34, 127, 138, 0, 0, 0, 17, 73, 68, 65, 84, 120, 156, 99, 96, 100, 98, 254,
    127, 34, 197, 200, 24, 0, 10, 15, 2, 151, 81, 40, 94, 95, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66,
    96, 130,
};
static const unsigned char shown_rgba[] = {
    1, 2, 3, 255, 200, 100, 50, 51,
};
static const unsigned char file_palette1[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1,
    1, 3, 0, 0, 0, 206, 236, 237, 201, 0, 0, 0, 6, 80, 76, 84, 69, 10, 20, 30, 40, 50, 60, 213,
    27, 180, 233, 0, 0, 0, 10, 73, 68, 65, 84, 120, 156, 99, 112, 0, 0, 0, 66, 0, 65, 41, 55, 244,
    239, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
};
static const unsigned char shown_palette1[] = {
    10, 20, 30, 40, 50, 60,
};
static const unsigned char file_palette_alpha[] = {
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1,
    8, 3, 0, 0, 0, 195, 252, 143, 184, 0, 0, 0, 6, 80, 76, 84, 69, 10, 20, 30, 40, 50, 60, 213,
    27, 180, 233, 0, 0, 0, 1, 116, 82, 78, 83, 7, 222, 130, 77, 197, 0, 0, 0, 11, 73, 68, 65, 84,
    120, 156, 99, 96, 96, 4, 0, 0, 4, 0, 2, 191, 122, 63, 74, 0, 0, 0, 0, 73, 69, 78, 68, 174,
    66, 96, 130,
};
static const unsigned char shown_palette_alpha[] = {
    10, 20, 30, 7, 40, 50, 60, 255,
};
static const struct golden_png {
    const char *name;
    unsigned channels;
    const unsigned char *file;
    size_t size;
    const unsigned char *shown;
    size_t bytes;
} golden_pngs[] = {
    {"grey1", 1, file_grey1, sizeof file_grey1, shown_grey1, sizeof shown_grey1},
    {"grey2", 1, file_grey2, sizeof file_grey2, shown_grey2, sizeof shown_grey2},
    {"grey4", 1, file_grey4, sizeof file_grey4, shown_grey4, sizeof shown_grey4},
    {"grey8", 1, file_grey8, sizeof file_grey8, shown_grey8, sizeof shown_grey8},
    {"grey8_gamma", 1, file_grey8_gamma, sizeof file_grey8_gamma, shown_grey8_gamma, sizeof shown_grey8_gamma},
    {"grey16", 1, file_grey16, sizeof file_grey16, shown_grey16, sizeof shown_grey16},
    {"grey_alpha", 1, file_grey_alpha, sizeof file_grey_alpha, shown_grey_alpha, sizeof shown_grey_alpha},
    {"rgb8", 3, file_rgb8, sizeof file_rgb8, shown_rgb8, sizeof shown_rgb8},
    {"rgb16", 3, file_rgb16, sizeof file_rgb16, shown_rgb16, sizeof shown_rgb16},
    {"rgba", 4, file_rgba, sizeof file_rgba, shown_rgba, sizeof shown_rgba},
    {"palette1", 3, file_palette1, sizeof file_palette1, shown_palette1, sizeof shown_palette1},
    {"palette_alpha", 4, file_palette_alpha, sizeof file_palette_alpha, shown_palette_alpha, sizeof shown_palette_alpha},
};
