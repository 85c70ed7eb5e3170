// Package internal has no code. Its test holds the direction of the imports between the packages of softcsp.
package internal
