
:
xPlaceholder*
dtype0*
shape:
	
yfx4
2

f
a
r
againfa"
r	again:r:0