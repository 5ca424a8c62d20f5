package templates

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Palette is what a page or email needs of a brand's one color, as #rrggbb. Text on any of them has a contrast of
// 4.5 to 1 or more, edges 3 to 1.
//
// Source: WCAG 2.2, success criteria 1.4.3 and 1.4.11
type Palette struct {
	Fill, On   string // a filled key and the text on it
	Ink, Soft  string // text in the brand's color and the tint under it
	Edge       string // of a key on white
	DarkFill   string // the same in dark mode
	DarkOn     string
	DarkInk    string
	DarkSoft   string
	Unreadable bool // the color was none; the standard one is used
}

const standardColor = "#1f6f5c"

type rgb [3]float64 // 0 to 255

// PaletteOf derives the palette of a color, #rrggbb or #rgb. A color that misses the contrast is moved until it does not.
func PaletteOf(color string) Palette {
	var p Palette
	c, ok := parseColor(color)
	if !ok {
		c, _ = parseColor(standardColor)
		p.Unreadable = color != ""
	}
	white, black := rgb{255, 255, 255}, rgb{}
	surface, page := rgb{0x1c, 0x22, 0x20}, rgb{0x13, 0x17, 0x15}

	fill := toward(c, black, func(x rgb) bool { return contrast(x, white) >= 3 })
	on := white
	if contrast(fill, white) < 4.5 {
		dark := mix(fill, black, 0.85)
		if contrast(fill, dark) > contrast(fill, white) {
			on = dark
		}
	}
	soft := mix(white, c, 0.075)
	ink := toward(c, black, func(x rgb) bool { return contrast(x, soft) >= 6 })
	edge := toward(mix(c, rgb{0x8a, 0x88, 0x7d}, 0.5), black, func(x rgb) bool { return contrast(x, white) >= 3.2 })
	light := mix(bright(c), white, 0.4) // of the same hue: mixing with white alone makes it grey
	darkFill := toward(toward(c, light, func(x rgb) bool { return contrast(x, page) >= 8.5 }), white,
		func(x rgb) bool { return contrast(x, page) >= 7 })
	p.Fill, p.On, p.Soft, p.Ink, p.Edge = fill.String(), on.String(), soft.String(), ink.String(), edge.String()
	p.DarkFill = darkFill.String()
	p.DarkOn = mix(darkFill, black, 0.87).String()
	p.DarkInk = toward(darkFill, white, func(x rgb) bool { return contrast(x, surface) >= 8 }).String()
	p.DarkSoft = toward(mix(surface, c, 0.35), surface, func(x rgb) bool { return contrast(x, white) >= 9 }).String()
	return p
}

func parseColor(s string) (rgb, bool) {
	s, ok := strings.CutPrefix(strings.TrimSpace(s), "#")
	if len(s) == 3 {
		s = string([]byte{s[0], s[0], s[1], s[1], s[2], s[2]})
	}
	n, err := strconv.ParseUint(s, 16, 32)
	if !ok || len(s) != 6 || err != nil {
		return rgb{}, false
	}
	return rgb{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}, true
}

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0])), int(math.Round(c[1])), int(math.Round(c[2])))
}

func mix(a, b rgb, part float64) rgb {
	for i := range a {
		a[i] += (b[i] - a[i]) * part
	}
	return a
}

// toward moves c to end by steps until good says so.
func toward(c, end rgb, good func(rgb) bool) rgb {
	for part := 0.0; part < 1; part += 0.04 {
		if m := mix(c, end, part); good(m) {
			return m
		}
	}
	return end
}

// bright is c with all the light that it can have without becoming paler.
func bright(c rgb) rgb {
	most := max(c[0], c[1], c[2])
	if most == 0 {
		return rgb{255, 255, 255}
	}
	return rgb{c[0] * 255 / most, c[1] * 255 / most, c[2] * 255 / most}
}

func contrast(a, b rgb) float64 {
	x, y := luminance(a), luminance(b)
	if x < y {
		x, y = y, x
	}
	return (x + 0.05) / (y + 0.05)
}

func luminance(c rgb) float64 {
	for i, v := range c {
		v /= 255
		if v <= 0.04045 {
			c[i] = v / 12.92
		} else {
			c[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}
