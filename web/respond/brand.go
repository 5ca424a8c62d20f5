package respond

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// A Brand is who speaks on the page. Its zero value has no name and the colour of Odziv's own pages.
type Brand struct {
	Name  string
	Color string // #rrggbb; anything else counts as none
}

const ownColor = "1f6f5c"

// initial is the letter in the brand's mark.
func (b Brand) initial() string {
	for _, r := range b.Name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "·"
}

// hex gives the colour as six lower-case digits.
func (b Brand) hex() string {
	if len(b.Color) == 7 && b.Color[0] == '#' {
		if c, ok := parseColor(b.Color[1:]); ok {
			return c.hex()
		}
	}
	return ownColor
}

// The grounds on which brand colours stand; survey.css has the same values.
const (
	lightGround, lightSurface = "faf7f2", "ffffff"
	darkGround, darkSurface   = "131715", "1c2220"
)

// Contrasts that hold for text and for the edges of controls.
//
// Source: WCAG 2.2, 1.4.3 and 1.4.11.
const textContrast, edgeContrast = 4.5, 3.0

// A palette is what one colour scheme needs of a brand.
type palette struct{ fill, onFill, ink, soft color }

// palettes derives both schemes from one colour: the hue stays, the lightness moves until every contrast holds.
func palettes(c color) (light, dark palette) {
	return derive(c, mustColor(lightGround), mustColor(lightSurface), false),
		derive(c, mustColor(darkGround), mustColor(darkSurface), true)
}

func derive(c, ground, surface color, dark bool) palette {
	l := c.lch()
	step, soft := -0.01, lch{0.945, min(l.c, 0.018), l.h}
	fill := l
	if dark {
		step, soft = 0.01, lch{0.31, min(l.c, 0.036), l.h}
		fill = lch{max(l.l, 0.76), min(l.c, 0.14), l.h}
	}
	p := palette{soft: soft.color()}
	p.fill = shift(fill, step, func(c color) bool {
		return contrast(c, ground) >= edgeContrast && contrast(c, surface) >= edgeContrast
	})
	p.onFill = readable(p.fill)
	p.ink = shift(p.fill.lch(), step, func(c color) bool {
		return contrast(c, ground) >= textContrast && contrast(c, surface) >= textContrast && contrast(c, p.soft) >= textContrast
	})
	return p
}

// shift moves the lightness by steps until ok, and ends at black or white.
func shift(l lch, step float64, ok func(color) bool) color {
	for ; l.l > 0 && l.l < 1; l.l += step {
		if c := l.color(); ok(c) {
			return c
		}
	}
	return lch{l: min(max(l.l, 0), 1)}.color()
}

// readable is a text colour for a fill: white where it can be, else a near-black of the same hue, else black. One of
// them always reaches 4.5, since black and white together reach 21.
func readable(fill color) color {
	white, black := color{1, 1, 1}, color{}
	l := fill.lch()
	for _, c := range []color{white, lch{0.24, min(l.c, 0.05), l.h}.color()} {
		if contrast(c, fill) >= textContrast {
			return c
		}
	}
	return black
}

// sheet is the style sheet of a brand: eight values.
func (b Brand) sheet() (name string, css []byte) {
	light, dark := palettes(mustColor(b.hex()))
	css = fmt.Appendf(nil, ":root{%s}\n@media (prefers-color-scheme:dark){:root{%s}}\n", light.css(), dark.css())
	return "brand-" + b.hex() + "-" + hash(css) + ".css", css
}

func (p palette) css() string {
	return fmt.Sprintf("--brand:#%s;--on-brand:#%s;--brand-ink:#%s;--brand-soft:#%s", p.fill.hex(), p.onFill.hex(), p.ink.hex(), p.soft.hex())
}

// hash names a file by what is in it.
func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:5])
}

// A color is red, green and blue from 0 to 1, gamma-encoded sRGB.
type color struct{ r, g, b float64 }

func parseColor(s string) (color, bool) {
	if len(s) != 6 {
		return color{}, false
	}
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		return color{}, false
	}
	return color{float64(n>>16) / 255, float64(n>>8&255) / 255, float64(n&255) / 255}, true
}

// mustColor reads a colour that is known to be one.
func mustColor(s string) color { c, _ := parseColor(s); return c }

func (c color) hex() string {
	b := func(v float64) int { return int(math.Round(min(max(v, 0), 1) * 255)) }
	return fmt.Sprintf("%02x%02x%02x", b(c.r), b(c.g), b(c.b))
}

// luminance is the relative luminance.
//
// Source: WCAG 2.2, definition of relative luminance.
func (c color) luminance() float64 {
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

func contrast(a, b color) float64 {
	// As the browser gets them: eight bits a channel.
	x, y := mustColor(a.hex()).luminance(), mustColor(b.hex()).luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func gamma(v float64) float64 {
	if v <= 0.0031308 {
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// lch is a colour in OKLCH: lightness from 0 to 1, chroma, hue in radians. Steps in it look even.
//
// Source: https://bottosson.github.io/posts/oklab/
type lch struct{ l, c, h float64 }

func (c color) lch() lch {
	r, g, b := linear(c.r), linear(c.g), linear(c.b)
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	x := 1.9779984951*l - 2.4285922050*m + 0.4505937099*s
	y := 0.0259040371*l + 0.7827717662*m - 0.8086757660*s
	return lch{0.2104542553*l + 0.7936177850*m - 0.0040720468*s, math.Hypot(x, y), math.Atan2(y, x)}
}

// color gives up chroma, not lightness or hue, where sRGB ends.
func (c lch) color() color {
	for ; ; c.c -= 0.004 {
		if c.c < 0 {
			c.c = 0
		}
		x, y := c.c*math.Cos(c.h), c.c*math.Sin(c.h)
		l := cube(c.l + 0.3963377774*x + 0.2158037573*y)
		m := cube(c.l - 0.1055613458*x - 0.0638541728*y)
		s := cube(c.l - 0.0894841775*x - 1.2914855480*y)
		r := 4.0767416621*l - 3.3077115913*m + 0.2309699292*s
		g := -1.2684380046*l + 2.6097574011*m - 0.3413193965*s
		b := -0.0041960863*l - 0.7034186147*m + 1.7076147010*s
		const slack = 0.0005
		if c.c == 0 || min(r, g, b) >= -slack && max(r, g, b) <= 1+slack {
			return color{gamma(max(r, 0)), gamma(max(g, 0)), gamma(max(b, 0))}
		}
	}
}

func cube(v float64) float64 { return v * v * v }

// isolate keeps the direction of a foreign name from changing that of the sentence around it.
//
// Source: Unicode Standard Annex 9, first strong isolate.
func isolate(s string) string {
	if s == "" || !utf8.ValidString(s) {
		return s
	}
	return "\u2068" + s + "\u2069"
}
