package main

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"software.sslmate.com/src/go-pkcs12"
)

// certificateFunctions are External Secrets Operator's functions for certificates and keys,
// written anew on the modules that it uses.
func certificateFunctions() map[string]any {
	return map[string]any{
		"filterPEM":        filterPEM,
		"filterCertChain":  filterChain,
		"certSANs":         sans,
		"jwkPublicKeyPem":  func(key string) (string, error) { return jwkPEM(key, "PUBLIC KEY", x509.MarshalPKIXPublicKey) },
		"jwkPrivateKeyPem": func(key string) (string, error) { return jwkPEM(key, "PRIVATE KEY", x509.MarshalPKCS8PrivateKey) },
		"rsaDecrypt":       decrypt,
		"pkcs12key":        func(file string) (string, error) { return keyOf("", file) },
		"pkcs12keyPass":    keyOf,
		"pkcs12cert":       func(file string) (string, error) { return certsOf("", file) },
		"pkcs12certPass":   certsOf,
		"pemToPkcs12":      func(cert, key string) (string, error) { return pack(cert, key, "", false) },
		"pemToPkcs12Pass":  func(cert, key, pass string) (string, error) { return pack(cert, key, pass, false) },
		"fullPemToPkcs12":  func(cert, key string) (string, error) { return pack(cert, key, "", true) },
		"fullPemToPkcs12Pass": func(cert, key, pass string) (string, error) {
			return pack(cert, key, pass, true)
		},
		"pemTruststoreToPKCS12":     func(certs string) (string, error) { return trust(certs, "") },
		"pemTruststoreToPKCS12Pass": trust,
	}
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func fromBegin(text string) string {
	if at := strings.Index(text, "-----BEGIN"); at >= 0 {
		return text[at:]
	}
	return text
}

func filterPEM(kind, text string) (string, error) {
	var kept strings.Builder
	rest := []byte(fromBegin(text))
	for {
		block, after := pem.Decode(rest)
		rest = after
		if block == nil {
			break
		}
		if strings.EqualFold(block.Type, kind) {
			kept.Write(pem.EncodeToMemory(block))
		}
	}
	if kept.Len() == 0 && len(rest) > 0 {
		return "", errors.New("error filtering pem: found junk")
	}
	return kept.String(), nil
}

// ordered brings certificates into the order of one chain; a missing identifier equals a
// missing identifier.
func ordered(certs []*x509.Certificate) ([]*x509.Certificate, error) {
	parent := map[int]int{}
	signs := map[int]bool{}
	for i, child := range certs {
		for j, other := range certs {
			if i != j && bytes.Equal(child.AuthorityKeyId, other.SubjectKeyId) {
				parent[i], signs[j] = j, true
				break
			}
		}
	}
	leaf := -1
	for i := range certs {
		if signs[i] {
			continue
		}
		if leaf >= 0 {
			return nil, errors.New("found multiple leaf or disjunct certificates")
		}
		leaf = i
	}
	if leaf < 0 {
		return nil, errors.New("no leaf certificate found")
	}
	var chain []*x509.Certificate
	for at, more := leaf, true; more; at, more = parent[at], hasKey(parent, at) {
		if len(chain) >= len(certs) {
			return nil, errors.New("constructing chain resulted in cycle")
		}
		chain = append(chain, certs[at])
	}
	return chain, nil
}

func hasKey(m map[int]int, key int) bool {
	_, ok := m[key]
	return ok
}

func parseAll(rest []byte, strict bool) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for len(rest) > 0 {
		block, after := pem.Decode(rest)
		rest = after
		if block == nil {
			if strict {
				return nil, errors.New("no PEM block")
			}
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

func isRoot(cert *x509.Certificate) bool {
	return cert.AuthorityKeyId == nil || bytes.Equal(cert.AuthorityKeyId, cert.SubjectKeyId)
}

func filterChain(kind, text string) (string, error) {
	certs, err := parseAll([]byte(text), false)
	if err != nil {
		return "", err
	}
	chain, err := ordered(certs)
	if err != nil {
		return "", err
	}
	kept := ""
	for i, cert := range chain {
		last := i == len(chain)-1
		switch {
		case kind == "leaf" && i == 0 && !isRoot(cert), kind == "root" && last && isRoot(cert):
			kept += encode("CERTIFICATE", cert.Raw)
		case kind == "intermediate" && i > 0:
			if isRoot(cert) {
				return kept, nil
			}
			kept += encode("CERTIFICATE", cert.Raw)
		}
	}
	return kept, nil
}

func sans(text string) ([]string, error) {
	block, _ := pem.Decode([]byte(fromBegin(text)))
	if block == nil {
		return nil, errors.New("failed to decode PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("failed to parse certificate: %w", err)
	}
	names := append([]string{}, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	names = append(names, cert.EmailAddresses...)
	for _, uri := range cert.URIs {
		names = append(names, uri.String())
	}
	return names, nil
}

func jwkPEM(text, kind string, marshal func(any) ([]byte, error)) (string, error) {
	key, err := jwk.ParseKey([]byte(text))
	if err != nil {
		return "", err
	}
	var raw any
	if err := key.Raw(&raw); err != nil {
		return "", err
	}
	der, err := marshal(raw)
	if err != nil {
		return "", err
	}
	return encode(kind, der), nil
}

func parseKey(der []byte) (any, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("unable to parse private key type")
}

func decrypt(scheme, hash, in, key string) (string, error) {
	if scheme == "None" {
		return in, nil
	}
	if scheme != "RSA-OAEP" {
		return "", fmt.Errorf("decryption scheme %v is not supported", scheme)
	}
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return "", errors.New("failed to decode PEM block")
	}
	parsed, err := parseKey(block.Bytes)
	if err != nil {
		return "", err
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return "", errors.New("could not parse RSA private key")
	}
	algorithm := crypto.SHA256
	switch hash {
	case "SHA1":
		algorithm = crypto.SHA1
	case "SHA512":
		algorithm = crypto.SHA512
	}
	out, err := rsa.DecryptOAEP(algorithm.New(), nil, private, []byte(in), nil)
	return string(out), err
}

func keyOf(pass, file string) (string, error) {
	key, _, _, err := pkcs12.DecodeChain([]byte(file), pass)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return encode("PRIVATE KEY", der), nil
}

func certsOf(pass, file string) (string, error) {
	_, cert, others, err := pkcs12.DecodeChain([]byte(file), pass)
	if err != nil {
		return "", err
	}
	all := append([]*x509.Certificate{cert}, others...)
	if chain, err := ordered(all); err == nil {
		all = chain
	}
	text := ""
	for _, cert := range all {
		text += encode("CERTIFICATE", cert.Raw)
	}
	return text, nil
}

func pack(certs, key, pass string, full bool) (string, error) {
	block, rest := pem.Decode([]byte(certs))
	if block == nil {
		return "", errors.New("no PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	var others []*x509.Certificate
	if full {
		if others, err = parseAll(rest, true); err != nil {
			return "", err
		}
	}
	keyBlock, _ := pem.Decode([]byte(key))
	if keyBlock == nil {
		return "", errors.New("no PEM block")
	}
	parsed, err := parseKey(keyBlock.Bytes)
	if err != nil {
		return "", err
	}
	file, err := pkcs12.Modern.Encode(parsed, cert, others, pass)
	return base64.StdEncoding.EncodeToString(file), err
}

func trust(certs, pass string) (string, error) {
	all, err := parseAll([]byte(certs), true)
	if err != nil {
		return "", err
	}
	file, err := pkcs12.Modern.EncodeTrustStore(all, pass)
	return base64.StdEncoding.EncodeToString(file), err
}
