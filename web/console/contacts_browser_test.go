package console_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// The pages of people fit every width, and what can be acted on has a name.
func TestBrowserContacts(t *testing.T) {
	t.Parallel()
	ctx, _, base := newBrowser(t)
	signIn(ctx, t, base, hrSMS)
	for _, p := range []struct{ name, path, ready string }{
		{"contacts", "/console/contacts", "table"},
		{"contacts-none", "/console/contacts?q=nobody", ".empty"},
		{"contact", "/console/contacts/" + anaID, "#h-sends"},
		{"contact-empty", "/console/contacts/" + negarID, ".empty"},
		{"suppressions", "/console/suppressions", "table"},
		{"suppressions-none", "/console/suppressions?mode=test", ".empty"},
	} {
		for _, width := range []int64{1440, 390} {
			act(ctx, t,
				chromedp.EmulateViewport(width, 1100), inScheme("light"),
				chromedp.Navigate(base+p.path), chromedp.WaitVisible(chromedp.CSS(p.ready)),
			)
			if width == 390 { // the forms are open
				until(ctx, t, `document.querySelectorAll("main details").forEach(d => d.open = true) ?? true`)
			}
			if over, err := chromedp.Run(ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth - innerWidth")); err != nil || over > 0 {
				wide, _ := chromedp.Run(ctx, chromedp.Evaluate[string](tooWide))
				t.Errorf("%s at %d px scrolls sideways by %d px (%v): %s", p.name, width, over, err, wide)
			}
			if small, err := chromedp.Run(ctx, chromedp.Evaluate[string](withoutName)); err != nil || small != "" {
				t.Errorf("%s: without a name: %s (%v)", p.name, small, err)
			}
			look(ctx, t, fmt.Sprintf("%s-%d", p.name, width))
		}
	}
}

// On a phone the bar names all its places, no address is cut, and a card says what its figures are and when.
func TestBrowserCards(t *testing.T) {
	t.Parallel()
	ctx, f, base := newBrowser(t)
	f.addSends()
	f.ops.trouble(f.now)
	signIn(ctx, t, base, hrSMS)
	act(ctx, t, chromedp.EmulateViewport(390, 844))
	const start = `(e => Math.round(e.getBoundingClientRect().left))`
	for _, p := range []struct{ name, path, ready string }{
		{"contacts", "/console/contacts", start + `(document.querySelector("td time")) === ` + start + `(document.querySelector("td b"))`},
		{"versions", "/console/versions/" + nps, start + `(document.querySelector("td time")) === ` + start + `(document.querySelector("td a"))`},
		{"senders", "/console/senders", `/waiting/.test(document.querySelector(".lanes tbody tr").innerText)`},
		{"sends", "/console/sends", `/NPS/.test(document.querySelector("tbody tr").innerText) && /order/i.test(document.querySelector("tbody tr").innerText)`},
		{"suppressions", "/console/suppressions", start + `(document.querySelector("td b")) === ` + start + `(document.querySelector(".card-head"))+20`},
	} {
		act(ctx, t, chromedp.Navigate(base+p.path), chromedp.WaitVisible(chromedp.CSS("table")))
		for what, condition := range map[string]string{
			"card": p.ready,
			"bar":  `[...document.querySelectorAll(".nav span")].every(e => e.scrollWidth <= e.clientWidth && (!e.offsetParent || e.getBoundingClientRect().right <= innerWidth))`,
			"cut":  `![...document.querySelectorAll("td *")].some(e => e.scrollWidth > e.clientWidth && getComputedStyle(e).textOverflow === "ellipsis")`,
		} {
			if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+condition+")")); err != nil || !ok {
				t.Errorf("%s, %s: %v, not %s", p.name, what, err, condition)
			}
		}
	}
}
