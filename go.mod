module github.com/softcsp/softcsp

go 1.26
