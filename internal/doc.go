// Package internal has no code. Its tests hold the direction of the imports between the packages of softcsp, and find what nobody uses.
package internal
