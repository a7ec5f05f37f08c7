module verify

go 1.22
