package channeltest

import (
	"strings"
	"unicode/utf16"
)

// The alphabets of an SMS in seven bits; a character of the extension takes an escape and another septet.
//
// Source: 3GPP TS 23.038, sections 6.2.1 and 6.2.1.1
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtension = "\f^{}\\[~]|€"
)

// segments is how many SMS Twilio makes of a text. It is counted here once more: who counts wrongly must not check itself.
func segments(text string) int {
	var sizes []int
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			sizes = append(sizes, 1)
		case strings.ContainsRune(gsmExtension, r):
			sizes = append(sizes, 2)
		default:
			return wideSegments(text)
		}
	}
	return pack(sizes, 160, 153)
}

// wideSegments is segments of a text that needs UCS-2.
func wideSegments(text string) int {
	var sizes []int
	for _, r := range text {
		sizes = append(sizes, utf16.RuneLen(r))
	}
	return pack(sizes, 70, 67)
}

// pack puts characters into as few parts as there must be: a character is never divided.
func pack(sizes []int, whole, part int) int {
	total, parts, room := 0, 1, part
	for _, n := range sizes {
		if total += n; n > room {
			parts, room = parts+1, part
		}
		room -= n
	}
	if total <= whole {
		return 1
	}
	return parts
}
