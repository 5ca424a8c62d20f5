package templates

import (
	"bytes"
	"context"
	_ "embed" // the layout
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/odziv/odziv/survey"
)

//go:embed layout/email.html
var layoutSource string

var layout = template.Must(template.New("email").Parse(layoutSource)) //nolint:gochecknoglobals // a table

// Classic Outlook ignores max-width and needs a table of fixed width around; html/template drops comments, so these
// are handed in.
const (
	msoHead  = `<!--[if mso]><noscript><xml><o:OfficeDocumentSettings><o:PixelsPerInch>96</o:PixelsPerInch></o:OfficeDocumentSettings></xml></noscript><style>td,a,p{font-family:%s!important}</style><![endif]-->`
	msoOpen  = `<!--[if mso]><table role="presentation" width="600" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->`
	msoClose = `<!--[if mso]></td></tr></table><![endif]-->`
)

const (
	latinFont  = `-apple-system,'Segoe UI',Roboto,'Noto Sans',Helvetica,Arial,sans-serif`
	arabicFont = `Vazirmatn,'Noto Sans Arabic',Tahoma,Arial,sans-serif`
)

type emailData struct {
	Lang, Dir, Align    string
	Font                template.CSS
	Tight, Loose        template.CSS // line heights of titles and of text
	Subject, Preheader  string
	Initial, Brand      string
	Question            string
	Before, After       []template.HTML
	Hint                template.HTML
	Min, Max, Low, High string
	Scale               template.HTML
	Why                 template.HTML
	Unsubscribe, Leave  string
	Address             string
	C                   emailColors
	MSO                 struct{ Head, Open, Close template.HTML }

	scale scale
	pack  *Pack
}

// A scale is what the row of keys depends on, but for colors and locale. Zero = none.
type scale struct {
	shown    bool
	min, max int
	page     string // address that a score is added to
	query    bool   // it has a question mark
}

type emailColors struct{ Fill, On, Ink, Soft, Edge, DarkFill, DarkOn, DarkSoft template.CSS }

// standardEmail puts marked text into the standard layout. Of its paragraphs, the one that is the question becomes the
// title, the one with the link of the page becomes the scale with one link for each score, and the one with the link
// to unsubscribe goes under the card. All words are the author's but for the ends of the scale.
func (r *Renderer) standardEmail(ctx context.Context, marked string, made Rendered, pack *Pack, req Request) (string, error) {
	key := req.Brand
	if key == "" {
		key = req.Survey.Brand
	}
	brand := r.Brand(key)
	colors, ok := r.palettes[brand.Color]
	if !ok {
		colors = PaletteOf(brand.Color)
	}
	d := emailData{
		Lang: pack.Locale, Dir: pack.Dir, Align: "left", Font: latinFont, Tight: "1.28", Loose: "1.5",
		Subject: strings.Map(dropControls, made.Subject), Initial: initial(brand.Name), Brand: brand.Name,
		Unsubscribe: req.Links.Unsubscribe, Leave: pack.Word("unsubscribe"), Address: brand.Address,
		C: emailColors{
			template.CSS(colors.Fill), template.CSS(colors.On), template.CSS(colors.Ink), template.CSS(colors.Soft), //nolint:gosec // made by PaletteOf
			template.CSS(colors.Edge), template.CSS(colors.DarkFill), template.CSS(colors.DarkOn), template.CSS(colors.DarkSoft), //nolint:gosec // made by PaletteOf
		},
	}
	d.pack = pack
	outlookFont := "Segoe UI,Arial,sans-serif"
	if pack.RTL {
		d.Align, d.Font, d.Tight, d.Loose, outlookFont = "right", arabicFont, "1.6", "1.8", "Tahoma,Arial,sans-serif"
	}
	d.MSO.Head = template.HTML(fmt.Sprintf(msoHead, outlookFont)) //nolint:gosec // constants
	d.MSO.Open, d.MSO.Close = msoOpen, msoClose

	asks := req.Kind == survey.Invitation || req.Kind == survey.Reminder
	if asks {
		var err error
		if d.Question, err = r.word(ctx, survey.Question, made.Locale, req); err != nil {
			return "", err
		}
		if d.Low, err = r.word(ctx, survey.ScaleLow, made.Locale, req); err != nil {
			return "", err
		}
		if d.High, err = r.word(ctx, survey.ScaleHigh, made.Locale, req); err != nil {
			return "", err
		}
	}
	if page := req.Links.Page; asks && page != "" && req.Survey.Max > req.Survey.Min {
		d.scale = scale{shown: true, min: req.Survey.Min, max: req.Survey.Max, page: page, query: strings.Contains(page, "?")}
	}
	d.place(marked, d.scale.shown, pack, req)
	if bare := plainText(string(d.Hint)); strings.Contains(bare, d.Low) && strings.Contains(bare, d.High) {
		d.Low, d.High = "", "" // the author has said it
	}
	d.Question, d.Low, d.High = bareText(d.Question), bareText(d.Low), bareText(d.High)
	return r.frames.html(&d, brand)
}

// html puts d into the layout.
func (d *emailData) html() (string, error) {
	if d.scale.shown {
		d.Scale = d.scale.html(d.pack, d.C, string(d.Font))
		d.Min, d.Max = d.pack.Number(strconv.Itoa(d.scale.min)), d.pack.Number(strconv.Itoa(d.scale.max))
	}
	var b bytes.Buffer
	if err := layout.Execute(&b, d); err != nil {
		return "", fmt.Errorf("email layout: %w", err)
	}
	return b.String(), nil
}

// place gives each paragraph its place in the layout.
func (d *emailData) place(marked string, scale bool, pack *Pack, req Request) {
	question := strings.ContainsFunc(d.Question, essential)
	into := &d.Before
	for p := range strings.SplitSeq(strings.ReplaceAll(marked, "\r\n", "\n"), "\n\n") {
		p = strings.Trim(p, "\n ")
		bare := bareText(p)
		switch {
		case strings.TrimSpace(bare) == "":
		case question && sameEssence(bare, d.Question):
		case req.Links.Unsubscribe != "" && strings.Contains(bare, req.Links.Unsubscribe):
			why, leave := withoutLink(p, req.Links.Unsubscribe)
			d.Why = paragraph(why, pack)
			if leave != "" {
				d.Leave = bareText(leave)
			}
		case scale && strings.Contains(bare, req.Links.Page):
			before, last := withoutLink(p, req.Links.Page)
			words := strings.TrimSpace(strings.TrimRight(before, "\n") + "\n" + last)
			d.Hint = paragraph(words, pack)
			d.Preheader = strings.Join(strings.Fields(strings.TrimRight(bareText(words), ":： ")), " ")
			into = &d.After
		default:
			*into = append(*into, paragraph(p, pack))
		}
	}
}

// withoutLink divides a paragraph into the lines without the link, and the words before it on its own line.
func withoutLink(p, link string) (lines, label string) {
	var keep []string
	for line := range strings.SplitSeq(p, "\n") {
		if !strings.Contains(bareText(line), link) {
			keep = append(keep, line)
			continue
		}
		line = strings.ReplaceAll(strings.ReplaceAll(line, string(markOpen)+link+string(markClose), ""), link, "")
		label = strings.TrimRight(strings.TrimSpace(line), ":： ")
	}
	return strings.Join(keep, "\n"), label
}

// bareText is marked text without marks.
func bareText(s string) string { return clean(s) }

// essential reports whether r is one of the characters by which sentences differ.
func essential(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// sameEssence reports whether two sentences have the same letters and digits.
func sameEssence(a, b string) bool {
	for {
		i, j := strings.IndexFunc(a, essential), strings.IndexFunc(b, essential)
		if i < 0 || j < 0 {
			return i == j
		}
		x, n := utf8.DecodeRuneInString(a[i:])
		y, m := utf8.DecodeRuneInString(b[j:])
		if x != y && unicode.ToLower(x) != unicode.ToLower(y) {
			return false
		}
		a, b = a[i+n:], b[j+m:]
	}
}

var webAddress = regexp.MustCompile(`https?://[^\s<]*[^\s<.,;:!?)]`)

func paragraph(marked string, pack *Pack) template.HTML {
	out := markedHTML(marked, pack.Digits)
	if strings.Contains(out, "://") {
		out = webAddress.ReplaceAllString(out, `<a href="$0" dir="ltr" style="color:inherit">$0</a>`)
	}
	return template.HTML(out) //nolint:gosec // escaped by markedHTML
}

var anyTag = regexp.MustCompile(`<[^>]*>`)

func plainText(s string) string {
	if !strings.Contains(s, "<") {
		return s
	}
	return anyTag.ReplaceAllString(s, "")
}

func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return ""
}

// html is a row of keys, one link for each score; in two tables that stand side by side where there is room.
func (s scale) html(pack *Pack, c emailColors, font string) template.HTML {
	low, high := s.min, s.max
	n := high - low + 1
	first := n
	if n > 6 {
		first = (n + 1) / 2
	}
	const cell = 48
	sep := "?"
	if s.query {
		sep = "&"
	}
	maxWord := pack.Number(strconv.Itoa(high))
	var b strings.Builder
	b.Grow(n * 900)
	fmt.Fprintf(&b, `<!--[if mso]><table role="presentation" dir="%s" align="center" cellpadding="0" cellspacing="0" border="0"><tr><td width="%d" valign="top"><![endif]-->`, pack.Dir, first*cell)
	row := func(from, to int) {
		w := strconv.Itoa((to - from) * cell)
		b.WriteString(`<table role="presentation" dir="` + pack.Dir + `" cellpadding="0" cellspacing="0" border="0" width="` + w + `" style="width:` + w + `px;display:inline-table;vertical-align:top"><tr>`)
		for v := from; v < to; v++ {
			score := strconv.Itoa(v)
			word := pack.Number(score)
			b.WriteString(`<td width="48" align="center" style="width:48px;padding:4px 1px"><table role="presentation" dir="` + pack.Dir +
				`" cellpadding="0" cellspacing="0" border="0" width="46" style="width:46px;border-collapse:separate"><tr><td class="o-btn" align="center" valign="middle" height="48" bgcolor="` + string(c.Soft) +
				`" style="height:48px;background-color:` + string(c.Soft) + `;border:1px solid ` + string(c.Edge) + `;border-radius:14px;mso-line-height-rule:exactly"><a class="o-num" href="`)
			b.WriteString(textEscaper.Replace(s.page + sep + "score=" + score))
			b.WriteString(`" aria-label="` + textEscaper.Replace(pack.Word("score_of", "score", word, "max", maxWord)))
			b.WriteString(`" style="display:block;width:44px;font-family:` + font + `;font-size:18px;line-height:46px;font-weight:bold;color:` + string(c.Ink) + `;text-decoration:none">` + word + `</a></td></tr></table></td>`)
		}
		b.WriteString(`</tr></table>`)
	}
	row(low, low+first)
	if first < n {
		fmt.Fprintf(&b, `<!--[if mso]></td><td width="%d" valign="top"><![endif]-->`, (n-first)*cell)
		row(low+first, high+1)
	}
	b.WriteString("\n" + msoClose)
	return template.HTML(b.String()) //nolint:gosec // numbers, our address and escaped words
}
