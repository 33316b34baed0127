
:
xPlaceholder*
dtype0*
shape:

new
lineBad
Opx