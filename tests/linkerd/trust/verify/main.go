// Says why Go does not take the leaf that it is given; nothing when it does.
package main

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
)

type shown struct {
	Leaf, Chain, Roots []string
}

func parse(text string) *x509.Certificate {
	der, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return certificate
}

func pool(texts []string) *x509.CertPool {
	found := x509.NewCertPool()
	for _, text := range texts {
		if certificate := parse(text); certificate != nil {
			found.AddCert(certificate)
		}
	}
	return found
}

func refusal(each shown) string {
	leaf := parse(each.Leaf[0])
	if leaf == nil {
		return "the leaf does not parse"
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, usage := range usages {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots:         pool(each.Roots),
			Intermediates: pool(each.Chain),
			KeyUsages:     []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			return err.Error()
		}
	}
	return ""
}

func main() {
	var asked shown
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	fmt.Print(refusal(asked))
}
