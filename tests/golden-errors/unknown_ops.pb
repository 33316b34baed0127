
:
xPlaceholder*
dtype0*
shape:

a
Frobnicatex

bLSTMBlockCella

y
Frobnicateb