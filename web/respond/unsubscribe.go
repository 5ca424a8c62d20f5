package respond

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
)

// confirm asks once. It must not call anything that changes: mail scanners open this link too.
func (p *pages) confirm(c *fiber.Ctx, s *screen) error {
	if s.View.Unsubscribed {
		return p.render(c, http.StatusOK, "unsubscribed", s)
	}
	return p.render(c, http.StatusOK, "unsubscribe", s)
}

// unsubscribe takes the one click of a mail program, and the button of our page. Both hold for a send of any age, and
// both may come twice.
//
// Source: RFC 8058, section 3.1: no redirect, no cookie, no question.
func (p *pages) unsubscribe(c *fiber.Ctx, s *screen) error {
	form, err := p.form(c)
	if err != nil {
		return err
	}
	if form.Get("List-Unsubscribe") == "One-Click" {
		if err := p.Sends.Unsubscribe(c.UserContext(), s.View.SendID, SourceOneClick, true); err != nil {
			return err
		}
		return c.Status(http.StatusOK).SendString(s.W("unsubscribed_title") + "\n")
	}
	s.All = form.Get("all") != ""
	if err := p.Sends.Unsubscribe(c.UserContext(), s.View.SendID, SourceLink, s.All); err != nil {
		return err
	}
	return p.render(c, http.StatusOK, "unsubscribed", s)
}
