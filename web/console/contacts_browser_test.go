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
